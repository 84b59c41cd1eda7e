"""Sound: PortAudio bounded, buffers stamped."""
