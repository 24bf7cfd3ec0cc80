"""Deformable convolution as a function and as a module."""

from lib.deform_conv.deform_conv import DeformConv2d, deform_conv2d

__all__ = ["DeformConv2d", "deform_conv2d"]
