# shellcheck shell=bash
# Looks at a script's command line before anything is built or started. To be sourced by bash.

# check_options SCRIPT 'KIND …' ARGUMENT …: ends with 2, after one sentence, when an ARGUMENT is none
# of the KINDs: --flag, --count=number, --name=text, --size=1|2 (one of these), or FILTER (any word).
check_options() {
  local script=$1 kinds=" $2 " option value kind wanted
  shift 2
  while [ $# -gt 0 ]; do
    option=${1%%=*}
    wanted=
    for kind in $kinds; do
      [ "${kind%%=*}" != "$option" ] || wanted=$kind
    done
    case $1 in
      -*) ;;
      *) case $kinds in *' FILTER '*) wanted=FILTER ;; esac ;;
    esac
    [ -n "$wanted" ] || wrong_option "$script" "there is no option $1"
    case $wanted in
      *=*)
        case $1 in
          *=*) value=${1#*=} ;;
          *)
            [ $# -gt 1 ] || wrong_option "$script" "$option: a value is missing"
            shift
            value=$1
            ;;
        esac
        check_value "$script" "$option" "${wanted#*=}" "$value"
        ;;
      -*) [ "$1" = "$option" ] || wrong_option "$script" "$option takes no value" ;;
    esac
    shift
  done
}

check_value() {
  local script=$1 option=$2 kind=$3 value=$4
  case $kind in
    text) ;;
    number)
      [[ $value =~ ^[0-9]{1,10}$ ]] || wrong_option "$script" "$option: expected a whole number, found '$value'"
      ;;
    *)
      case "|$kind|" in
        *"|$value|"*) ;;
        *) wrong_option "$script" "$option: expected one of ${kind//|/ or }, found '$value'" ;;
      esac
      ;;
  esac
}

wrong_option() {
  printf '%s (%s --help says what there is)\n' "$2" "$1" >&2
  exit 2
}
