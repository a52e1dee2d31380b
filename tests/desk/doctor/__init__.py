"""Diagnosis: what a room of the doctor says of real faults."""
