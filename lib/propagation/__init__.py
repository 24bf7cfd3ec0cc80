"""Labels of some frames carried to others: targets, warp, flow, fusion, cache."""
