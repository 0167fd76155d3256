# Des raccourcis vers dev.py, qui n'a besoin que de Python. Options : make test ARGS="-k import -x"
.PHONY: aide demo test lint bench lock clean
aide demo test lint bench lock clean:
	@python3 dev.py $@ $(ARGS)
