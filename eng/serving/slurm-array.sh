#!/bin/bash
# A large file scored as a Slurm array: each task of the array scores its share of the rows (--shard auto reads SLURM_ARRAY_TASK_ID).
#
#   export LORAINIT="dotnet $PWD/publish/lorainit.dll" MODEL=/shared/model.mlnet ROWS=/shared/rows.tsv ANSWERS=/shared/answers.tsv
#   sbatch --array=0-7 eng/serving/slurm-array.sh --engine onnx --int8
#
# Then, once all have ended:  $LORAINIT predict merge --output "$ANSWERS"
#SBATCH --job-name=lorainit-scoring
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --output=lorainit-scoring-%A_%a.log
set -euo pipefail

: "${LORAINIT:?the command of the program, such as 'dotnet /path/lorainit.dll'}"
: "${MODEL:?the model file}"
: "${ROWS:?the rows to predict for}"
: "${ANSWERS:?where the predictions go}"

# LORAINIT is a command with arguments, so it is split into words on purpose.
# shellcheck disable=SC2086
exec $LORAINIT predict --model "$MODEL" --input "$ROWS" --output "$ANSWERS" --threads "${SLURM_CPUS_PER_TASK:-1}" --shard auto "$@"
