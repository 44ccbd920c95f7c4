/** Whether this build talks to the mock backend. */
declare const __MOCK__: boolean;
