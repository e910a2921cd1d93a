"""The paper's Tables 1 to 13 from the scores of any runs, and from the numbers that the paper prints."""
