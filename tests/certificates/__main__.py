"""Makes the certificates of the tests anew."""

from tests.certificates import make

make()
