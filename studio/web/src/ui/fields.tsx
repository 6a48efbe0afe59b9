// Form fields: a label, help in a sentence, and what is wrong in words.
import { Check, ChevronDown, Minus, Plus } from "lucide-react";
import type { ReactNode } from "react";
import {
    Button as AriaButton,
    Checkbox as AriaCheckbox,
    FieldError,
    Group,
    Input,
    Label,
    ListBox,
    ListBoxItem,
    NumberField as AriaNumberField,
    Popover,
    Radio,
    RadioGroup,
    Select as AriaSelect,
    SelectValue,
    Slider as AriaSlider,
    SliderOutput,
    SliderThumb,
    SliderTrack,
    Switch as AriaSwitch,
    Text,
    TextArea,
    TextField as AriaTextField,
} from "react-aria-components";
import { parseAmount } from "../lib/amount";
import { byteLength } from "../lib/format";
import { t } from "../strings/en";

interface Common {
    label: string;
    help?: ReactNode;
    /** What is wrong with the value; `null` or nothing if it is right. */
    problem?: string | null | undefined;
    isDisabled?: boolean;
}

const Help = ({ help, problem }: Pick<Common, "help" | "problem">) => (
    <>
        {help !== undefined && !problem && (
            <Text slot="description" className="field-help">
                {help}
            </Text>
        )}
        <FieldError className="field-problem">{problem}</FieldError>
    </>
);

interface TextFieldProps extends Common {
    value: string;
    onChange: (value: string) => void;
    placeholder?: string;
    /** Most bytes of UTF-8; counted down when few are left. */
    bytesMax?: number;
    rows?: number;
    type?: "text" | "search" | "url";
    suffix?: ReactNode;
    inputMode?: "text" | "decimal" | "numeric";
    isRequired?: boolean;
    autoFocus?: boolean;
}

export function TextField(props: TextFieldProps) {
    const { label, help, problem, value, onChange, placeholder, bytesMax, rows, type = "text", suffix, inputMode } = props;
    const left = bytesMax === undefined ? null : bytesMax - byteLength(value);
    const tooLong = left !== null && left < 0 ? t.ui.tooLong(-left) : null;
    const wrong = problem ?? tooLong;
    return (
        <AriaTextField
            className="field"
            value={value}
            onChange={onChange}
            isInvalid={wrong != null}
            isDisabled={props.isDisabled ?? false}
            isRequired={props.isRequired ?? false}
            type={type}
             
            autoFocus={props.autoFocus ?? false}
            validationBehavior="aria"
        >
            <Label>{label}</Label>
            {rows ? (
                <TextArea className="input" rows={rows} placeholder={placeholder} />
            ) : suffix ? (
                <Group className="input-group">
                    <Input className="input" placeholder={placeholder} inputMode={inputMode} />
                    <span className="input-suffix">{suffix}</span>
                </Group>
            ) : (
                <Input className="input" placeholder={placeholder} inputMode={inputMode} />
            )}
            <Help
                help={left !== null && left >= 0 && left <= 40 ? t.ui.bytesLeft(left) : help}
                problem={wrong}
            />
        </AriaTextField>
    );
}

/** An amount of TRIB as text. What it says is {@link parseAmount}'s business. */
export function AmountField({ minimum, ...props }: Omit<TextFieldProps, "type" | "suffix"> & { minimum?: bigint }) {
    const amount = parseAmount(props.value);
    const problem =
        props.problem ??
        (props.value.trim() === ""
            ? null
            : amount === null
              ? t.ui.notAnAmount
              : minimum !== undefined && amount < minimum
                ? t.ui.amountTooSmall(minimum)
                : null);
    return <TextField {...props} problem={problem} inputMode="decimal" suffix="TRIB" />;
}

interface NumberFieldProps extends Common {
    value: number;
    onChange: (value: number) => void;
    min?: number;
    max?: number;
    step?: number;
    format?: Intl.NumberFormatOptions;
}

export function NumberField({ label, help, problem, value, onChange, min, max, step, format, isDisabled }: NumberFieldProps) {
    return (
        <AriaNumberField
            className="field"
            value={value}
            onChange={(next) => !Number.isNaN(next) && onChange(next)}
            {...(min === undefined ? {} : { minValue: min })}
            {...(max === undefined ? {} : { maxValue: max })}
            {...(step === undefined ? {} : { step })}
            {...(format === undefined ? {} : { formatOptions: format })}
            isInvalid={problem != null}
            isDisabled={isDisabled ?? false}
            validationBehavior="aria"
        >
            <Label>{label}</Label>
            <Group className="input-group">
                <Input className="input" />
                <AriaButton slot="decrement" className="stepper">
                    <Minus size={14} aria-hidden />
                </AriaButton>
                <AriaButton slot="increment" className="stepper">
                    <Plus size={14} aria-hidden />
                </AriaButton>
            </Group>
            <Help help={help} problem={problem} />
        </AriaNumberField>
    );
}

export interface Option<V extends string> {
    value: V;
    label: string;
    detail?: string;
    isDisabled?: boolean;
}

interface SelectProps<V extends string> extends Common {
    value: V | null;
    onChange: (value: V) => void;
    options: readonly Option<V>[];
    placeholder?: string;
    /** Whether the label is for screen readers only. */
    hidesLabel?: boolean;
}

export function Select<V extends string>(props: SelectProps<V>) {
    const { label, help, problem, value, onChange, options, placeholder, hidesLabel, isDisabled } = props;
    return (
        <AriaSelect
            className="field"
            selectedKey={value}
            onSelectionChange={(key) => key !== null && onChange(key as V)}
            isInvalid={problem != null}
            isDisabled={isDisabled ?? false}
            placeholder={placeholder ?? t.ui.choose}
            validationBehavior="aria"
        >
            <Label className={hidesLabel ? "visually-hidden" : "label"}>{label}</Label>
            <AriaButton className="input select">
                <SelectValue className="select-value" />
                <ChevronDown size={16} aria-hidden />
            </AriaButton>
            <Help help={help} problem={problem} />
            <Popover className="popover select-popover">
                <ListBox className="list-box" items={options}>
                    {(option) => (
                        <ListBoxItem
                            className="list-item"
                            id={option.value}
                            textValue={option.label}
                            isDisabled={option.isDisabled ?? false}
                        >
                            <Text slot="label">{option.label}</Text>
                            {option.detail && (
                                <Text slot="description" className="list-detail">
                                    {option.detail}
                                </Text>
                            )}
                            <Check size={15} className="list-check" aria-hidden />
                        </ListBoxItem>
                    )}
                </ListBox>
            </Popover>
        </AriaSelect>
    );
}

interface CardsProps<V extends string> extends Common {
    value: V | null;
    onChange: (value: V) => void;
    options: readonly (Option<V> & { content?: ReactNode })[];
    columns?: 1 | 2 | 3;
}

/** One choice of few, each with room to say what it means. */
export function ChoiceCards<V extends string>({ label, help, problem, value, onChange, options, columns = 3 }: CardsProps<V>) {
    return (
        <RadioGroup
            className="field"
            value={value}
            onChange={(next) => onChange(next as V)}
            isInvalid={problem != null}
            validationBehavior="aria"
        >
            <Label>{label}</Label>
            <div className={`choice-cards columns-${columns}`}>
                {options.map((option) => (
                    <Radio key={option.value} value={option.value} className="choice-card" isDisabled={option.isDisabled ?? false}>
                        <span className="choice-mark" aria-hidden />
                        <span className="choice-text">
                            <strong>{option.label}</strong>
                            {option.detail && <span>{option.detail}</span>}
                            {option.content}
                        </span>
                    </Radio>
                ))}
            </div>
            <Help help={help} problem={problem} />
        </RadioGroup>
    );
}

interface CheckboxProps {
    isSelected: boolean;
    onChange: (selected: boolean) => void;
    children: ReactNode;
    detail?: ReactNode;
    isDisabled?: boolean;
}

export function Checkbox({ isSelected, onChange, children, detail, isDisabled }: CheckboxProps) {
    return (
        <AriaCheckbox className="checkbox" isSelected={isSelected} onChange={onChange} isDisabled={isDisabled ?? false}>
            <span className="check-mark" aria-hidden>
                <Check size={13} strokeWidth={3} />
            </span>
            <span>
                {children}
                {detail && <span className="field-help">{detail}</span>}
            </span>
        </AriaCheckbox>
    );
}

export function Switch({ isSelected, onChange, children }: Omit<CheckboxProps, "detail">) {
    return (
        <AriaSwitch className="switch" isSelected={isSelected} onChange={onChange}>
            <span className="switch-track" aria-hidden>
                <span />
            </span>
            <span>{children}</span>
        </AriaSwitch>
    );
}

interface SliderProps extends Common {
    value: number;
    onChange: (value: number) => void;
    min: number;
    max: number;
    step: number;
    format?: (value: number) => string;
}

export function Slider({ label, help, value, onChange, min, max, step, format }: SliderProps) {
    return (
        <AriaSlider
            className="field slider"
            value={value}
            onChange={(next) => onChange(Array.isArray(next) ? (next[0] ?? value) : next)}
            minValue={min}
            maxValue={max}
            step={step}
        >
            <div className="slider-head">
                <Label>{label}</Label>
                <SliderOutput>{format ? format(value) : value}</SliderOutput>
            </div>
            <SliderTrack className="slider-track">
                <SliderThumb className="slider-thumb" aria-label={label} />
            </SliderTrack>
            {help !== undefined && <span className="field-help">{help}</span>}
        </AriaSlider>
    );
}
