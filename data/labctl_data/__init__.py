"""Parameter sets, stations, benches, targets and sample runs. Data only: no code lives here."""
