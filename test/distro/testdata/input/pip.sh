# Makes wheels that need each other, and has pip install them: into the system, and into a tree.
export SOURCE_DATE_EPOCH=1704067200 HOME=$PWD PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
mkdir wheels
for i in $(seq 20); do
	mkdir -p s$i/pkg$i/data
	seq $i 200 >s$i/pkg$i/data/numbers
	printf 'import sys, os\ndef main():\n    print(__name__, len(open(os.path.dirname(__file__) + "/data/numbers").read()))\n' >s$i/pkg$i/__init__.py
	need=
	[ $i = 1 ] || need="\"pkg$((i - 1))>=1\""
	printf 'from setuptools import setup\nsetup(name="pkg%d", version="1.%d", packages=["pkg%d"], package_data={"pkg%d": ["data/*"]}, install_requires=[%s], entry_points={"console_scripts": ["run-pkg%d=pkg%d:main"]})\n' $i $i $i $i "$need" $i $i >s$i/setup.py
	(cd s$i && python3 setup.py -q bdist_wheel -d ../wheels) >log 2>&1 || tail -n 3 log
done
ls wheels | wc -l
P="pip install --no-index --no-cache-dir --no-compile --find-links $PWD/wheels"
$P --break-system-packages -q pkg20 2>&1
run-pkg20; run-pkg1; python3 -c 'import pkg7; pkg7.main()'
pip list 2>/dev/null | grep -c '^pkg'
pip show -f pkg3 | grep -v '^Location' | md5sum
pip check 2>&1 | grep -c pkg
$P -q --target t pkg5 2>&1; find t -type f | wc -l
$P -q nosuch 2>&1 | tail -n 1
pip uninstall -q -y --break-system-packages pkg20 2>&1; run-pkg20; echo $?
pip freeze 2>/dev/null | grep -c '^pkg'
rm -rf s[0-9]* wheels log t
