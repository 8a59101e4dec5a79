from srutils.cli import main

main()
