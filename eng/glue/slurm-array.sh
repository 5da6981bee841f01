#!/bin/bash
# A grid as a Slurm array: each task of the array runs its share (--shard auto reads SLURM_ARRAY_TASK_ID).
#
#   export LORAINIT="dotnet $PWD/publish/lorainit.dll" DATA=/shared/glue OUT=/shared/results
#   sbatch --array=0-7 eng/glue/slurm-array.sh --base-model FacebookAI/roberta-base --inits kaiming,pissa,inilora --seeds 0,1,2
#
# Then, once all have ended:  $LORAINIT glue report "$OUT"
#
# The tasks share OUT; each writes its own runs. Where it is no shared folder, give each its own and join them with
# 'glue merge'. A task that is preempted or reaches its time limit is requeued and goes on from its checkpoints.
#SBATCH --job-name=lorainit-glue
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-task=1
#SBATCH --mem=32G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@60
#SBATCH --output=lorainit-glue-%A_%a.log
set -euo pipefail

: "${LORAINIT:?the command of the program, such as 'dotnet /path/lorainit.dll'}"
: "${DATA:?the folder with the folders of the tasks}"
: "${OUT:?the folder of the results}"

# LORAINIT is a command with arguments, so it is split into words on purpose.
# shellcheck disable=SC2086
$LORAINIT glue --data-dir "$DATA" --out "$OUT" --shard auto --checkpoint-every 200 "$@" &
program=$!
# On the warning before the time limit the program ends in order; its exit code 130 asks for another start.
trap 'kill -TERM "$program"' TERM
code=0
wait "$program" || code=$?
# A trapped signal ends the first wait early.
if kill -0 "$program" 2>/dev/null; then
    code=0
    wait "$program" || code=$?
fi
if [ "$code" -eq 130 ] && command -v scontrol >/dev/null; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
    exit 0
fi
exit "$code"
