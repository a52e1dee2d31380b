"""Moving programs from one login of a pair to the other, without a failed connection."""
