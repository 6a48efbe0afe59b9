/** Three streams that become one. */
export function Logo({ size }: { size: number }) {
    return (
        <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden className="logo">
            <rect width="32" height="32" rx="9" fill="var(--brand)" />
            <g stroke="var(--on-brand)" strokeLinecap="round" strokeWidth="2.6">
                <path d="M6 8.5c6.2 0 7 7.5 13 7.5" />
                <path d="M6 16h20" />
                <path d="M6 23.5c6.2 0 7-7.5 13-7.5" />
            </g>
        </svg>
    );
}
