"""What learns denotations from judgments, and bounds its errors: heads, goal maps, cascades, calibration."""
