# Shared by the makefiles here. V=1 shows the commands.
CC ?= cc
ifeq ($(origin CC),default)
CC := cc
endif
Q := $(if $(V),,@)
say = @:
ifneq ($(V),)
say = @echo '$(1) $(2)'
endif
OPTIMIZE ?= -O2 -g
CFLAGS_COMMON = -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror $(OPTIMIZE) -MMD -MP $(CFLAGS)
CFLAGS_LIBRARY = $(CFLAGS_COMMON) -fPIC -fvisibility=hidden
.SUFFIXES:
MAKEFLAGS += --no-print-directory $(if $(V),,-s)
