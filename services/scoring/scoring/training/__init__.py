"""Fitting of models. The only place that imports scikit-learn and scipy; never imported by the serving process."""
