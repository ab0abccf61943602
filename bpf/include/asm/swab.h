// Empty: the header only offers faster forms on some machines.
