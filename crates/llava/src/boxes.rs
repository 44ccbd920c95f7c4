//! Boxes in answers, and their way back from the padded square to the picture.
