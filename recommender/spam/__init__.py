"""Spam and abuse: what items and accounts look like as of a time, a detector that learns from moderators, trust."""
