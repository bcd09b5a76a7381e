"""VisDiffBench (arXiv 2312.02974): pairs of image sets whose difference is known, and how well it is found."""
