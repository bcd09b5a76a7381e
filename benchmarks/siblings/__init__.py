"""The sibling systems, measured against what was asked of them."""
