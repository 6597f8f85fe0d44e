"""Writes to the ledger, one module for each thing that is written."""
