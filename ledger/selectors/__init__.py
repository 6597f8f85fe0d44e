"""What pages and reports read from the ledger.

Every function here is total: with no site, no day or nothing stored it returns the same shape
with zeros and empty lists. Money and litres are `Decimal`, times are aware.
"""
