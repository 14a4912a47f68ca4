"""Measures Rapport's stages: figures, never verdicts. Compare ratios within one run, since machines are shared and noisy."""
