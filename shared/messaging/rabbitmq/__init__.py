"""The bus over RabbitMQ 3.10 to 4.x. Nothing outside this package names aio-pika or aiormq.

aio-pika connects; messages go over the plain AMQP channel beneath it, which costs an object and two tasks less each.
"""

from shared.messaging.rabbitmq.bus import RabbitBus
from shared.messaging.rabbitmq.declare import Difference, Fault, apply, delete_out_queue, diff, make_out_queue

__all__ = ["Difference", "Fault", "RabbitBus", "apply", "delete_out_queue", "diff", "make_out_queue"]
