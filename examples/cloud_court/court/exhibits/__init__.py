"""Exhibits: drafts, submission, withdrawal, uploads that resume, parts, annotations over an untouched original."""
