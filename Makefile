# make demo       train pix2pix on drawn street scenes for about three minutes, then translate with it
# make test       the fast suite; make test-all adds what is slow
# make notebooks  run the notebooks again and keep what they show; NAMES=01_dcgan runs one
PYTHON ?= python3
BIN := .venv/bin
RUN := runs/demo

.PHONY: demo test test-all test-paddle26 notebooks lint clean

demo: .venv/ready
	$(BIN)/python -m paddle_gans.train --model pix2pix --out $(RUN)
	@test -d $(RUN)/held-back || $(BIN)/python -m data_reader.write_demo $(RUN)/held-back --count 12
	@test -d $(RUN)/translated || $(BIN)/python -m paddle_gans.infer \
		--weights $(RUN)/generator.pdparams --input $(RUN)/held-back/testB --output $(RUN)/translated
	@test -d $(RUN)/translated-long || $(BIN)/python -m paddle_gans.infer \
		--weights pix2pix_demo --input $(RUN)/held-back/testB --output $(RUN)/translated-long
	@echo
	@echo "samples while training    $(RUN)/samples/"
	@echo "losses                    $(RUN)/losses.png"
	@echo "held-out label maps       $(RUN)/held-back/testB/"
	@echo "their translations        $(RUN)/translated/"
	@echo "after a longer training   $(RUN)/translated-long/  (pix2pix_demo: $(BIN)/python -m paddle_gans.weights)"

test: .venv/ready-test lint
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/ready-test lint
	$(BIN)/python -m pytest
	$(MAKE) test-paddle26

# The contract, the golden cases and resuming on the oldest framework that is supported.
test-paddle26: .venv-paddle26/ready
	.venv-paddle26/bin/python -m pytest tests/test_contract.py tests/test_golden.py \
		tests/test_training.py tests/test_reader.py tests/test_losses.py tests/test_faults.py \
		--deselect tests/test_faults.py::test_the_faults_as_the_benchmark_makes_them

notebooks: .venv/ready-test
	$(BIN)/python notebooks/execute.py $(NAMES)

lint: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/ready: requirements-cpu.txt setup.py
	@$(PYTHON) -m venv .venv || { echo "$(PYTHON) has no venv; on Debian: apt install python3-venv"; exit 2; }
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-cpu.txt
	@# opencv-python needs libGL, which a server may lack; the headless build is the same module.
	@$(BIN)/python -c "import cv2" 2>/dev/null || \
		$(BIN)/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps opencv-python-headless
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/ready-test: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check \
		pytest ruff==0.17.6 mypy==2.4.1 nbclient nbformat ipykernel "av>=14"
	@touch $@

.venv-paddle26/ready: requirements-paddle26.txt
	@$(PYTHON) -m venv .venv-paddle26
	.venv-paddle26/bin/pip install --quiet --disable-pip-version-check -r requirements-paddle26.txt
	@.venv-paddle26/bin/python -c "import cv2" 2>/dev/null || \
		.venv-paddle26/bin/pip install --quiet --force-reinstall --no-deps "opencv-python-headless<4.12"
	@touch $@

clean:
	rm -rf .venv .venv-paddle26 $(RUN) notebooks/runs
