/** `TrainerOne` as people write it. */
export const spaced = (name: string) => name.replace(/([a-z])([A-Z])/g, "$1 $2");
