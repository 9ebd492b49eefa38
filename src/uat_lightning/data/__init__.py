"""Data: sources of captioned clips, the encoded store, the planned order, one DataModule per dataset."""
