"""Every way in, fed with what nobody would send: run by hand, for as long as one likes."""
