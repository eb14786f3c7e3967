"""What adapters made of what venues said, stored: frames and answers in, records out."""
