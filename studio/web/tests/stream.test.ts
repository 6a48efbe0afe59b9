import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openStream, type StreamState } from "../src/lib/stream";

/** An EventSource that does what the test says. */
class Source extends EventTarget {
    static all: Source[] = [];
    onopen: (() => void) | null = null;
    onerror: (() => void) | null = null;
    isClosed = false;
    constructor(readonly url: string) {
        super();
        Source.all.push(this);
    }
    close() {
        this.isClosed = true;
    }
    say(name: string, data: string, id: string) {
        this.dispatchEvent(new MessageEvent(name, { data, lastEventId: id }));
    }
}

beforeEach(() => {
    vi.useFakeTimers();
    Source.all = [];
});
afterEach(() => vi.useRealTimers());

function follow() {
    const events: unknown[] = [];
    const states: StreamState[] = [];
    const close = openStream({
        url: (after) => `/events?after=${after}`,
        events: ["message"],
        end: "end",
        onEvent: (_, data) => events.push(data),
        onState: (state) => states.push(state),
        connect: (url) => new Source(url) as unknown as EventSource,
    });
    return { events, states, close };
}

test("a lost connection goes on behind the last event", () => {
    const { events, states } = follow();
    Source.all[0]?.onopen?.();
    Source.all[0]?.say("message", "1", "1.7");
    Source.all[0]?.onerror?.();
    expect(Source.all).toHaveLength(1);
    vi.advanceTimersByTime(500);
    expect(Source.all.map((one) => one.url)).toEqual(["/events?after=null", "/events?after=1.7"]);
    Source.all[1]?.onopen?.();
    Source.all[1]?.say("message", "2", "1.8");
    expect(events).toEqual([1, 2]);
    expect(states).toEqual(["connecting", "open", "lost", "connecting", "open"]);
});

test("a gateway that stays away is asked ever less often", () => {
    follow();
    for (const pause of [500, 1_000, 2_000, 5_000, 10_000, 10_000]) {
        const before = Source.all.length;
        Source.all.at(-1)?.onerror?.();
        vi.advanceTimersByTime(pause - 1);
        expect(Source.all).toHaveLength(before);
        vi.advanceTimersByTime(1);
        expect(Source.all).toHaveLength(before + 1);
    }
});

test("after the end nothing is asked any more", () => {
    const { states } = follow();
    Source.all[0]?.onopen?.();
    Source.all[0]?.say("end", "{}", "");
    expect(Source.all[0]?.isClosed).toBe(true);
    Source.all[0]?.onerror?.();
    vi.advanceTimersByTime(60_000);
    expect(Source.all).toHaveLength(1);
    expect(states.at(-1)).toBe("ended");
});

test("who leaves hears nothing more, and what is no JSON is passed over", () => {
    const { events, close } = follow();
    Source.all[0]?.say("message", "{", "1");
    Source.all[0]?.say("message", "3", "2");
    close();
    Source.all[0]?.say("message", "4", "3");
    expect(events).toEqual([3]);
});
