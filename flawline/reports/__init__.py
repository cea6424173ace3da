"""What is shown of results: figures as tables and JSON, reports as one HTML file.

Nothing is measured here: rows come from `scorer.evaluation`, events from the store.
"""
