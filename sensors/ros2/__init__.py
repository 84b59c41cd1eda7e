"""ROS 2 without ROS: its messages and ours as CDR, and the way of rmw_zenoh to its topics."""
