"""Files and links of reports."""
