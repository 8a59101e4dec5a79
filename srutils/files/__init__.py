"""Pictures and other files, read and written so that nothing is lost: a result appears when it is whole."""
