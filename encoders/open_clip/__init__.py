"""Any OpenCLIP model in a local folder."""
