"""What a login costs: rates, percentiles, CPU, statements and messages an operation, beside a floor without a broker.

Real servers, a process for each service, every answer checked. `deskfactor bench`, or `make bench`.
"""
