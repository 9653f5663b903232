"""Figures of trained models; what they are called."""

METRICS = ("fid", "kid", "lpips", "psnr", "ssim", "ciede2000", "chroma", "labels", "lattice")
