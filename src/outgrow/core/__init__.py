"""What every other room stands on: errors, keyed random numbers, files, memory, and components named by recipes."""
