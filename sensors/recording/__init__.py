"""Recordings: samples and what a robot said, in files that ROS 2 tools and Foxglove open too."""
