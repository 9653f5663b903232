"""Metrics of trained models; their names."""

METRICS = ("fid", "kid", "lpips", "psnr", "ssim", "ciede2000", "chroma", "labels", "lattice")
