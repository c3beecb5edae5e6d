"""What the programs are given to do."""
import os
import random
import subprocess

PYTHON_THREADS = """
import threading
for _ in range(3000):
    t = threading.Thread(target=int)
    t.start()
    t.join()
"""
PYTHON_POOL = """
import zlib
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    list(pool.map(zlib.compress, [bytes(range(256)) * 20000] * 8))
"""

NUMPY_PRODUCTS = """
import numpy
a = numpy.random.RandomState(1).rand(128, 128)
for _ in range(4000):
    a @ a
"""

# Of scikit-learn issue 15078.
GRADIENT_BOOSTING = """
import numpy
from sklearn.ensemble import HistGradientBoostingClassifier
x = numpy.random.RandomState(1).rand(2000, 10)
HistGradientBoostingClassifier(max_iter=300, random_state=1).fit(x, x.sum(axis=1) > 5)
"""

COUNTING = "for _ in range(8000000): pass"
COUNTING_ON = "while True: pass"

NUMPY = ["/usr/bin/python3", "-c", NUMPY_PRODUCTS]
NUMPY_PATH = "/usr/lib/python3/dist-packages/numpy"
OPENBLAS = "/usr/lib/x86_64-linux-gnu/openblas"  # with -openmp or -pthread


class Gromacs:
    """Molecular dynamics of a box of water, whose input is made in `folder`."""

    TOPOLOGY = """#include "amber99sb.ff/forcefield.itp"
#include "amber99sb.ff/tip3p.itp"
[ system ]
water
[ molecules ]
"""
    PARAMETERS = """nsteps = 1000
dt = 0.002
coulombtype = PME
rcoulomb = 0.9
rvdw = 0.9
tcoupl = v-rescale
tc-grps = System
tau-t = 0.1
ref-t = 300
gen-vel = yes
gen-seed = 1
ld-seed = 1
"""

    def __init__(self, folder):
        self.folder, self.input = folder, os.path.join(folder, "topol.tpr")

    def prepare(self):
        if os.path.exists(self.input):
            return
        for name, text in ("topol.top", self.TOPOLOGY), ("grompp.mdp", self.PARAMETERS):
            with open(os.path.join(self.folder, name), "w", encoding="ascii") as out:
                out.write(text)
        for command in (["solvate", "-cs", "spc216", "-box", "2.5", "2.5", "2.5", "-o", "conf.gro", "-p", "topol.top"],
                        ["grompp", "-maxwarn", "5"]):
            subprocess.run(["gmx", "-quiet"] + command, cwd=self.folder, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=True)

    def run(self, pin, threads=2):
        return ["gmx", "-quiet", "mdrun", "-s", self.input, "-ntmpi", "1", "-ntomp", str(threads), "-pin", pin, "-reprod"]

    def run_alone(self, _):
        files = ["-nobackup", "-deffnm", os.path.join(self.folder, "alone")]
        return ["/bin/sh", "-c", 'exec "$@" 2>/dev/null', "sh"] + self.run("on") + files


class Iqtree:
    """The likeliest tree of DNA sequences, which are made in `folder`: each is a changed copy of an earlier one."""

    SEQUENCES, SITES, CHANGES = 16, 2000, 0.1

    def __init__(self, folder):
        self.input = os.path.join(folder, "sequences.fasta")

    def prepare(self):
        chance = random.Random(1)
        sequences = [chance.choices("ACGT", k=self.SITES)]
        while len(sequences) < self.SEQUENCES:
            sequences.append([chance.choice("ACGT") if chance.random() < self.CHANGES else site
                              for site in chance.choice(sequences)])
        with open(self.input, "w", encoding="ascii") as out:
            out.writelines(f">s{number}\n{''.join(sites)}\n" for number, sites in enumerate(sequences))

    def run(self, threads):
        return ["iqtree2", "-s", self.input, "-m", "GTR+G", "-T", str(threads), "-seed", "1", "-quiet", "-pre", "tree"]
