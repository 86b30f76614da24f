/* A baresip 1.0 module of our own: baresip has no command for headers of one's own, and its screen is for people.
 * It adds the User-to-User header from the environment to every call and prints what happens to calls, a line each.
 * Debian ships no baresip.h, so the few declarations needed stand here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <re.h>

struct ua;
struct call;
typedef void (event_listener)(struct ua *, int, struct call *, const char *, void *);
extern int uag_event_register(event_listener *listener, void *arg);
extern void uag_event_unregister(event_listener *listener);
extern const char *uag_event_str(int event);
extern struct list *uag_list(void);
extern int ua_set_custom_hdrs(struct ua *ua, struct list *headers);
extern int custom_hdrs_add(struct list *headers, const char *name, const char *format, ...);

static void report(struct ua *ua, int event, struct call *call, const char *words, void *arg)
{
	const char *name = uag_event_str(event);
	(void)ua; (void)call; (void)arg;
	if (!strcmp(name, "CALL_RINGING"))
		printf("\n@ringing\n");
	else if (!strcmp(name, "CALL_ESTABLISHED"))
		printf("\n@answered\n");
	else if (!strcmp(name, "CALL_CLOSED"))
		printf("\n@closed %s\n", words ? words : "");
	fflush(stdout);
}

static int start(void)
{
	const char *value = getenv("USER_TO_USER");
	struct list headers = LIST_INIT;
	struct le *le;

	if (value)
		custom_hdrs_add(&headers, "User-to-User", "%s", value);
	for (le = list_head(uag_list()); le; le = le->next)
		ua_set_custom_hdrs(le->data, &headers);
	return uag_event_register(report, NULL);
}

static int stop(void)
{
	uag_event_unregister(report);
	return 0;
}

const struct mod_export exports = {"partner", "application", start, stop};
