"""Figures in one quiet style: each function draws data on an axis and returns the axis.

Data are plain arrays or the objects that measured them. `new_figure` makes an axis, `save_figure`
writes the file.
"""

from jaxsup.plot.comparison import learning_times as learning_times
from jaxsup.plot.comparison import speed_up as speed_up
from jaxsup.plot.diagnosis import diagnosis_figure as diagnosis_figure
from jaxsup.plot.exponents import exponent_against_theory as exponent_against_theory
from jaxsup.plot.exponents import exponent_atlas as exponent_atlas
from jaxsup.plot.exponents import exponents_by_factor as exponents_by_factor
from jaxsup.plot.exponents import variance_shares as variance_shares
from jaxsup.plot.features import cosine_histogram as cosine_histogram
from jaxsup.plot.features import feature_geometry as feature_geometry
from jaxsup.plot.features import feature_geometry_3d as feature_geometry_3d
from jaxsup.plot.features import gram_matrix as gram_matrix
from jaxsup.plot.localization import saturation_deficit as saturation_deficit
from jaxsup.plot.localization import saturation_scatter as saturation_scatter
from jaxsup.plot.maps import OUTCOMES as OUTCOMES
from jaxsup.plot.maps import box_counts as box_counts
from jaxsup.plot.maps import trainability_map as trainability_map
from jaxsup.plot.observables import observable_curves as observable_curves
from jaxsup.plot.observables import spectra_along_training as spectra_along_training
from jaxsup.plot.spectra import eigenvalue_spectrum as eigenvalue_spectrum
from jaxsup.plot.spectra import localization_histogram as localization_histogram
from jaxsup.plot.spectra import spectral_measures as spectral_measures
from jaxsup.plot.style import STYLE as STYLE
from jaxsup.plot.style import new_figure as new_figure
from jaxsup.plot.style import plain_log_axis as plain_log_axis
from jaxsup.plot.style import save_figure as save_figure
from jaxsup.plot.superposition import PHASES as PHASES
from jaxsup.plot.superposition import capacity_scatter as capacity_scatter
from jaxsup.plot.superposition import dimension_plateau as dimension_plateau
from jaxsup.plot.superposition import two_feature_phases as two_feature_phases
from jaxsup.plot.toys import energy_levels as energy_levels
from jaxsup.plot.toys import feature_directions as feature_directions
from jaxsup.plot.toys import geometry_shares as geometry_shares
from jaxsup.plot.toys import phase_map as phase_map
from jaxsup.plot.toys import represented_counts as represented_counts
from jaxsup.plot.training import exponent_against_ratio as exponent_against_ratio
from jaxsup.plot.training import exponent_map as exponent_map
from jaxsup.plot.training import loss_curves as loss_curves
from jaxsup.plot.widths import loss_against_width as loss_against_width
from jaxsup.plot.widths import overlap_against_width as overlap_against_width
