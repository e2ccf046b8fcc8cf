"""What the backstage process answers, one module per subject with a mapping ``ANSWERS`` of functions.

Not here: how it is asked (:mod:`labctl.gui.backstage`).
"""
