"""What a person types: starts the processes and prints what they found."""
