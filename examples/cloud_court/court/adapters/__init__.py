"""What belongs to others: SMS, identity, certificates, public registers. Each has a stand-in that shows what it did."""
