"""What several tests share and is no fixture; tests import from here, never from each other."""
