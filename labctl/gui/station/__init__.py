"""The station panel and ALL OUTPUTS OFF. Not here: opening instruments (other processes do)."""
